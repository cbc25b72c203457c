"""A new model goes live beside the old one: loaded, tested, compared on live cells, then flipped or refused."""
