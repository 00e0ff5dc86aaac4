"""The report: what the scores allow to say, as sentences, pictures and pages."""
