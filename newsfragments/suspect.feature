Suspect transactions and samples are stored and flagged, never refused; docs/suspect-data.md tells what each word means.
