from .group_norm import ComplexSpectralBatchNorm2d as ComplexSpectralBatchNorm2d
from .group_norm import SpectralGroupNorm2d as SpectralGroupNorm2d
from .insertion import Insertion as Insertion
from .insertion import batch_norms as batch_norms
from .insertion import insert as insert
from .norm import ConstantDownscale as ConstantDownscale
from .norm import SpectralBatchNorm2d as SpectralBatchNorm2d
