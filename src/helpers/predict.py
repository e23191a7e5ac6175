"""A question that the reader answers before the text does."""

import html
import zlib

# In the output itself, since JupyterLab knows nothing of the page's style.
STYLE = "<style>.predict .reveal{display:none}.predict:has(:checked) .reveal{display:block}</style>"


def predict(question, options, right, because):
    """Native radio buttons; the answer appears when one is chosen. The last expression of a cell.

    Args:
        question: text; formulas between $ signs, here and in the others.
        options: two or more different texts.
        right: the number of the right one, from 0.
        because: the reason, a sentence or two.

    Raises:
        TypeError, ValueError: an argument that is not so, named.
    """
    if not isinstance(options, (list, tuple)) or len(options) < 2 or len(set(options)) < len(options):
        raise ValueError(f"options is {options!r}; it must be a list of two or more different texts")
    for name, text in (("question", question), ("because", because), *(("options", option) for option in options)):
        if not isinstance(text, str):
            raise TypeError(f"{name} holds {type(text).__name__}; it must be text")
        if not text.strip() or text.count("$") % 2:
            raise ValueError(f"{name} is {text!r}; it must say something, with each formula between two $")
    if isinstance(right, bool) or right not in range(len(options)):
        raise ValueError(f"right is {right!r}; it must be the number of an option, from 0 to {len(options) - 1}")
    return Prediction(question, options, right, because)


class Prediction:
    """A question as HTML, which needs no script."""

    def __init__(self, question, options, right, because):
        name = f"predict-{zlib.crc32(question.encode()):x}"
        say = lambda text: html.escape(" ".join(text.split()), quote=False)
        rows = "".join(
            f"<label{' class=right' * (n == right)}>"
            f'<input type="radio" name="{name}"> <span>{say(option)}</span></label>'
            for n, option in enumerate(options)
        )
        answer = f'<p class="reveal"><b>{say(options[right]).rstrip(".")}.</b> {say(because)}</p>'
        self.html = (
            f'<fieldset class="predict">{STYLE}<legend>Predict. {say(question)}</legend>{rows}'
            f'<div aria-live="polite">{answer}</div></fieldset>'
        )
        self.question = question

    def _repr_html_(self):
        return self.html

    def __repr__(self):
        return f"question: {self.question}"
