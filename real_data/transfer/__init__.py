"""Transfer: networks pretrained on parts of one data set, fine-tuned on another."""
