"""How like real cells the simulated ones are: one measuring code on both, and a page that shows them side by side."""
