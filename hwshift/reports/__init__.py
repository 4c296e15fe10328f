"""Reports: what one image on one accelerator takes, as a page to read and as JSON."""
