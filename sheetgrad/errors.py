"""What is wrong with a call or an input, said in one line for whoever made it."""


class SheetgradError(Exception):
    """Base of all errors that the command line reports in one line, with exit status 2.

    The message names the file, the place, what was found and what was expected, in the words of who wrote it.
    """
