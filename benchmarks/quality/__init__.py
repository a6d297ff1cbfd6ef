"""What samplers find, beside their peers: `python -m benchmarks.quality --help`."""
