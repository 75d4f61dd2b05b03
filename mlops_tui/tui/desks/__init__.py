"""What can be asked for, and the states that the answers are folded into. Knows no Textual."""
