"""Plan of a study at full size: what there is to compute, and how long it takes by measured rates."""
