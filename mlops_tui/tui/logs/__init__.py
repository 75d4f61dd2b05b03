"""A log of any length: the file is the buffer, a thread knows where its lines begin. Knows no Textual."""
