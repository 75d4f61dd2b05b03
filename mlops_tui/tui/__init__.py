"""The terminal app: shows what the worker tells, asks it for more, and holds no logic of its own.

connection    the worker process: requests out, events in
state/        events folded into what the screens show
desks/        what can be asked for; its answers go into the states
logs/         a log of any length
words/        how things read
app           screens, themes and keys around one desk; it, screens/, widgets/ and dialogs/ alone know Textual
"""
