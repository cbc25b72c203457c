"""Teaching the network: recipes, losses, the loop, several processes, what a person sees of it."""
