"""Where lines and entries of a document begin and end, as indexes into its text."""

from provisioner.registry.nodes import Document, MappingNode, Node, ScalarNode, SequenceNode


def line_start(text: str, at: int) -> int:
    """Index of the first character of a line."""
    return text.rfind("\n", 0, at) + 1


def line_end(text: str, at: int) -> int:
    """Index behind a line's end."""
    found = text.find("\n", at)
    return len(text) if found < 0 else found + 1


def block_end(document: Document, node: Node, key: ScalarNode, column: int) -> int:
    """Index of the line after an entry: its last line, and the comments after it that stand at `column` or deeper."""
    text = document.text
    at = content_end(node, key)
    while at and text[at - 1] in "\r\n" and at > key.end.index:
        # The end of a block scalar lies behind its line ends.
        at -= 1
    end = line_end(text, at)
    look = end
    while look < document.end:
        after = line_end(text, look)
        line = text[look:after]
        content = line.strip()
        if content and (not content.startswith("#") or len(line) - len(line.lstrip()) < column):
            break
        look = after
        end = after if content else end
    return end


def content_end(node: Node, key: ScalarNode) -> int:
    """Where the text of an entry ends. libyaml ends a block where the next token begins, which is of no use here."""
    if isinstance(node, MappingNode) and not node.flow and node.entries:
        last_key, last = list(node.entries.values())[-1]
        return content_end(last, last_key)
    if isinstance(node, SequenceNode) and not node.flow and node.items:
        return content_end(node.items[-1], key)
    return int(max(node.end.index, key.end.index))
