"""The network as a classifier of labelled pictures: what it is fed, how it is trained, what it says, how it is kept."""
