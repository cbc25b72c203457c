"""Language models behind one Protocol, and what a model's file says about itself."""
