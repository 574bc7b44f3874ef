"""The one exception a user of the package can cause: a sentence that says what is wrong and what to do."""


class InputError(ValueError):
    """Bad input. The message is one clear sentence, fit to be shown to a person as it is."""
