"""AgentDojo's attacks, played by a model that obeys every one of them, against the guarded way out."""
