"""How things read on the screen: plain text, signs, figures, sentences."""
