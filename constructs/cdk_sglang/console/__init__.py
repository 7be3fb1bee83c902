"""The page that shows a fleet, served by `cdk-sglang console` and by the embedded AWS of `make local`: its files and its live stream."""
