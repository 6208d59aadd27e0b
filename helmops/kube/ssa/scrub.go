package ssa

import (
	"regexp"
	"strings"
)

// maxTyped is how many fields are named that do not fit their schema.
const maxTyped = 5

var (
	typedHead  = regexp.MustCompile(typedText + `(?: \([^()\n]*\))?`)
	typedField = regexp.MustCompile(`(?m)^\s*((?:\.[\w/.-]+|\[[^\]\n]*\])+): ` +
		`(expected [a-z]+|` + undeclaredText + `|` + duplicateText + `)`)
	element = regexp.MustCompile(`\[[^\]]*\]`)
)

// typedWords name the fields that do not fit their schema, in the words of the API server, but without what they
// hold. They are empty when the message is about something else.
func typedWords(message string) string {
	at := typedHead.FindStringIndex(message)
	if at == nil {
		return ""
	}

	rest := strings.TrimPrefix(message[at[1]:], ": ")
	rest = strings.TrimPrefix(rest, "errors:")
	var fields []string
	for _, found := range typedField.FindAllStringSubmatch(rest, maxTyped) {
		fields = append(fields, element.ReplaceAllString(found[1], "[…]")+": "+found[2])
	}
	if len(fields) == 0 {
		return message[at[0]:at[1]]
	}

	return message[at[0]:at[1]] + ": " + strings.Join(fields, ", ")
}

// scrubs are how libraries quote what they could not read, each with what stays of it.
var scrubs = []struct {
	text *regexp.Regexp
	keep string
}{
	// YAML: a value that does not fit, an anchor, a tag, a key.
	{regexp.MustCompile("(?s)cannot unmarshal (!!\\w+) `.*?` into"), "cannot unmarshal a value of type $1 into"},
	{regexp.MustCompile("(?s)cannot decode (!!\\w+) `.*?` as"), "cannot decode a value of type $1 as"},
	{regexp.MustCompile(`(?s)unknown anchor '.*?' referenced`), "unknown anchor referenced"},
	{regexp.MustCompile(`(?s)anchor '.*?' value contains itself`), "an anchor contains itself"},
	{regexp.MustCompile(`(?s)(mapping )?key "(?:[^"\\]|\\.)*" already (set in map|defined)`), "a key is there twice"},
	{regexp.MustCompile(`(?s)(Key: ?|key )'.*?' already exists`), "a key is there twice"},
	// JSON: a number, and the surroundings of a fault.
	{regexp.MustCompile(`cannot unmarshal number \S+ into`), "cannot unmarshal number into"},
	{regexp.MustCompile(`(?s), error found in #\d+ byte of \.\.\..*`), ""},
	{regexp.MustCompile(`invalid character '(?:[^'\\]|\\.)+'`), "an invalid character"},
	// Functions of Go and of templates.
	{regexp.MustCompile(`(?s)parsing (?:time )?"(?:[^"\\]|\\.)*"( as "(?:[^"\\]|\\.)*": cannot parse "(?:[^"\\]|\\.)*" ` +
		`as)?`), "parsing a value"},
	{regexp.MustCompile(`(?s)cannot parse template "(?:[^"\\]|\\.)*"`), "cannot parse template"},
	{regexp.MustCompile("(?s)error parsing regexp: ([^`:\n]+): `.*?`"), "error parsing regexp: $1"},
	{regexp.MustCompile(`(?s)unable to cast .* of type (\S+) to (\S+)`), "unable to cast a value of type $1 to $2"},
	{
		regexp.MustCompile(`(?s)time: (invalid duration|unknown unit|missing unit in duration) "(?:[^"\\]|\\.)*"`),
		"time: $1",
	},
	{regexp.MustCompile(`(?s)parse "(?:[^"\\]|\\.)*":`), "parse a URL:"},
	// Server-side apply.
	{regexp.MustCompile(`(?s), got &?value\..*`), ""},
}

// Scrub takes out of a text what the YAML and JSON libraries, template functions and server-side apply quote of the
// values they could not read. What a text says in other words stays: it may quote values that a mask has to hide.
func Scrub(text string) string {
	if typed := typedWords(text); typed != "" {
		at := typedHead.FindStringIndex(text)
		text = text[:at[0]] + typed
	}
	for _, s := range scrubs {
		text = s.text.ReplaceAllString(text, s.keep)
	}
	return text
}
