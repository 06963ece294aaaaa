# What Doxygen reads of a header. The comment at its head, which states its contract, becomes the file's documentation, line by line as it
# stands. Members of one line whose name, or whose class's comment, says it all need no words of their own; all else does.
NR == 1 && /^\/\// { print "/// \\file"; print "/// \\verbatim"; head = 1 }
head && /^\/\// { sub(/^\/\//, "///"); print; next }
head { print "/// \\endverbatim"; head = 0 }

/^(class|struct|enum class) .*\{$/ { indent = "  " }
/^  (class|struct) .*\{$/ { indent = "    " }
/^  \};/ { indent = "  " }
/^\};/ { indent = "" }
/^ +\/\/\/ / { documented = 1; print; next }
/^  template <class Block>$/ {  # a kernel's body
  template = $0
  getline
  if (/ operator\(\)\(Block& /) print "  /// What each thread does."
  print template
}
/^  static index_t blocks\(arguments const&.*\{$/ { print "  /// How many blocks work on them." }
/^  struct (arguments|shared) \{$/ { print (/arguments/ ? "  /// Operands and sizes, as the kernel's comment has them." : "  /// A block's shared memory.") }
/^ +template <.*>$/ { print; next }
!documented && indent != "" && $0 ~ "^" indent "[A-Za-z~[].*(;|\\{.*\\})$" {
  plain = "  ///< &nbsp;"
  if (match($0, /[a-z_0-9]+(, [a-z_0-9]+)+;$/)) {
    type = substr($0, 1, RSTART - 1)
    count = split(substr($0, RSTART, RLENGTH - 1), names, ", ")
    for (i = 1; i <= count; i++) print type names[i] ";" plain
    next
  }
  $0 = $0 plain
}
{ documented = 0; print }
