"""The fleet as a person looks at it: who needs somebody, who is off the main line, and who is told."""
