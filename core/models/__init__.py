"""The LLM contract and its implementations, embeddings, recipes, and the built-in offline model."""
