"""The report of a trial, from its ledger: text, Markdown, JSON and one HTML file."""
