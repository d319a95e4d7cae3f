"""The site; a package only so that its extensions are found under a name of their own."""
