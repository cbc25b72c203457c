"""From a received frame to a journaled, published and acknowledged result: stages, joined by channels."""
