"""The deployed system: real `sam deploy`, real event source mappings, roles enforced."""
