"""Registry of the laws of layers: functions without arguments that yield measured properties."""

from phasebench.common.registry import Registry

LAWS: Registry[str] = Registry(
    "law",
    {
        "complex_convolution": "phasebench.properties.complex_convolution:complex_convolution_laws",
        "complex_initialisation": "phasebench.properties.complex_initialisation:complex_initialisation_laws",
        "complex_perceptron": "phasebench.properties.complex_perceptron:complex_perceptron_laws",
        "graph_convolution": "phasebench.properties.graph_convolution:graph_convolution_laws",
        "lab_hue": "phasebench.properties.lab_hue:lab_hue_laws",
        "layer_equivariance": "phasebench.properties.layer_equivariance:layer_equivariance_laws",
        "peer_layers": "phasebench.properties.peer_layers:peer_layers_laws",
        "spectral_norm": "phasebench.properties.spectral_norm:spectral_norm_laws",
    },
)
