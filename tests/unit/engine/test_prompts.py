from batchscribe_engine.inference.prompts import MAX_HINT_TOKENS, prompt_tokens

START_OF_PREVIOUS = -1
START = [-2, -3]


def prompt(*, hotwords: str = "", previous: tuple[str, ...] = ()) -> list[int]:
    """The prompt under a tokenizer for which each number in a text is its own token."""
    return prompt_tokens(
        lambda text: [int(word) for word in text.split()],
        start_of_previous=START_OF_PREVIOUS,
        start_sequence=START,
        hotwords=hotwords,
        previous=previous,
    )


def text(count: int, first: int = 0) -> str:
    return " ".join(str(number) for number in range(first, first + count))


def test_without_hints_only_the_start_is_said() -> None:
    assert prompt(hotwords=" ", previous=("", " ")) == START


def test_hotwords_come_before_the_text_before() -> None:
    assert prompt(hotwords="7 8", previous=("1 2", "3")) == [START_OF_PREVIOUS, 7, 8, 1, 2, 3, *START]


def test_the_latest_text_is_kept_when_there_is_too_much() -> None:
    tokens = prompt(previous=(text(300),))
    assert tokens[1 : -len(START)] == list(range(300 - MAX_HINT_TOKENS, 300))


def test_hotwords_leave_room_for_the_text_before() -> None:
    hints = prompt(hotwords=text(300), previous=(text(300, first=1000),))[1 : -len(START)]
    assert hints[: MAX_HINT_TOKENS // 2] == list(range(MAX_HINT_TOKENS // 2))
    assert len(hints) == MAX_HINT_TOKENS
    assert hints[-1] == 1299
