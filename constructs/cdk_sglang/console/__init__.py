"""The page that draws a fleet, which `cdk-sglang console` and the embedded AWS of `make local` serve alike: its files, and its live stream."""
