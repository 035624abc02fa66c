"""The only place that imports Freqtrade: thin translations between its callbacks and our domain."""
