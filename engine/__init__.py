"""The computation: arrays in, arrays out; no sockets, threads or clocks."""
