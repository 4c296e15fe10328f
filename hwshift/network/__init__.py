"""The float network, its passes, quantisation, and the fixed-point network everything else reads."""
