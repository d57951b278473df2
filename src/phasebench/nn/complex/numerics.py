"""Numerical constants of the complex layers: offsets of moduli and the square that counts as zero."""

MODULUS_OFFSET = 1e-6
# Squared moduli below this count as this: gradients stay finite, and zero where the map is zero.
SMALLEST_SQUARE = 1e-24
