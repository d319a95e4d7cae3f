"""Near-duplicates: exact and near copies among training images and between them and the test images."""
