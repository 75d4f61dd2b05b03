"""The terminal app: shows what the worker tells, asks it for more, and holds no logic of its own.

connection    the worker process: requests out, events in
state/        events folded into what the screens show; knows no Textual
desk          what can be asked for, and the states that the answers are folded into; knows no Textual either
app           screens, themes and keys around one desk
"""
