"""BCCD as published for classification: smears of single white cells, each original many times, turned and sheared."""
