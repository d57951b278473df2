"""The complex networks written plainly: torch's native complex tensors and autograd, no layer of the package.

Each takes the parameters of the package's model, so that both can be compared number by number and second by second.
"""

from native_models.base import NativeModel
from native_models.cds_large import NativeCdsLarge
from native_models.cifarnet import NativeTypeE, NativeTypeI
from native_models.deep_complex import NativeCifarDeepComplex, NativeMstarDeepComplex, NativeWideShallow
from native_models.lenet import NativeComplexLeNet
from native_models.mstar import NativeCoDomainSymmetric
from native_models.surreal import NativeCifarSurReal, NativeMstarSurReal

NATIVE_MODELS: dict[str, type[NativeModel]] = {
    "cifarnet_type_i": NativeTypeI,
    "cifarnet_type_e": NativeTypeE,
    "cifarnet_dcn": NativeCifarDeepComplex,
    "cifarnet_surreal": NativeCifarSurReal,
    "cds_large": NativeCdsLarge,
    "dcn_wide_shallow": NativeWideShallow,
    "mstar_cds": NativeCoDomainSymmetric,
    "mstar_dcn": NativeMstarDeepComplex,
    "mstar_surreal": NativeMstarSurReal,
    "lenet_complex": NativeComplexLeNet,
    "lenet_complex_wide": NativeComplexLeNet,
    "lenet_complex_audio": NativeComplexLeNet,
}
