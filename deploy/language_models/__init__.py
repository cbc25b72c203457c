"""Which language models can be had, how they are brought onto this box, and where they lie."""
