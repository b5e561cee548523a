"""Tools for developers: a cluster, a stand-in for Replicate, the demo, the benchmarks."""
