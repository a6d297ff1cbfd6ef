"""Samplers and schedulers that act: ask and tell, one algorithm per file, no Ray and no clock."""
