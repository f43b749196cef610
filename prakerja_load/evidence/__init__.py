"""Facts on disk: samples, the ledger of acknowledged writes, histograms, the run directory."""
