"""From a bundle's float32 graph to an int8 one that is written only if it says the same about cells."""
