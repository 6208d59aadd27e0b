package ssa

import (
	"regexp"
	"strconv"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// TypeFault is a field whose value is of another type than its schema says.
type TypeFault struct {
	// Path of the field: spec.template.spec.containers[0].env[2].value. Items of lists that cannot be found are
	// "[…]".
	Path string
	// Is and Must are the two types: "a number", "a string".
	Is, Must string
}

// String says it in one line, without the value.
func (f TypeFault) String() string { return f.Path + ": is " + f.Is + ", must be " + f.Must }

var (
	// applied is how server-side apply names a field of a wrong type.
	applied = regexp.MustCompile(`(?m)^\s*((?:\.[\w/-]+|\[[^\]\n]*\])+): ` +
		`expected (string|numeric|boolean|map|list)[^,\n]*, got (.*)`)
	// decodedInto is how the API server says that it cannot decode a request.
	decodedInto = regexp.MustCompile(
		`json: cannot unmarshal (string|number|bool|object|array)(?: \S+)? ` +
			`into Go struct field \w*\.([\w.-]+) of type (\S+)`)
)

// TypeFaults returns the fields of a wrong type that an answer of the API server names; none when it is about
// something else. content is the object, by which items of lists are named by their place; nil when it is not
// known.
func TypeFaults(err error, content map[string]any) []TypeFault {
	if err == nil {
		return nil
	}

	text := err.Error()
	var faults []TypeFault
	if head := typedHead.FindStringIndex(text); head != nil {
		rest := strings.TrimPrefix(strings.TrimPrefix(text[head[1]:], ": "), "errors:")
		for _, found := range applied.FindAllStringSubmatch(rest, maxTyped) {
			faults = append(faults,
				TypeFault{Path: located(found[1], content), Is: typeOf(found[3]), Must: schemaType(found[2])})
		}

		return faults
	}

	if found := decodedInto.FindStringSubmatch(text); found != nil {
		return []TypeFault{{Path: found[2], Is: jsonType(found[1]), Must: goType(found[3])}}
	}

	return nil
}

// Mistyped is the refusal of an object with fields of a wrong type, nil when err is about something else. It is
// final, whatever code the API server answers with: server-side apply calls it an internal error.
func Mistyped(object string, secret bool, content map[string]any, err error) *ObjectError {
	faults := TypeFaults(err, content)
	if len(faults) == 0 {
		return nil
	}
	return WrongTypes(object, secret, content, faults)
}

// NewTypeFault is the fault of a value that is known.
func NewTypeFault(path string, value any, must string) TypeFault {
	is := aNumber
	switch value.(type) {
	case string:
		is = aString
	case bool:
		is = aBoolean
	case map[string]any:
		is = anObject
	case []any:
		is = aList
	case nil:
		is = "empty"
	}

	return TypeFault{Path: path, Is: is, Must: must}
}

// WrongTypes is the refusal of an object with fields of a wrong type.
func WrongTypes(object string, secret bool, content map[string]any, faults []TypeFault) *ObjectError {
	status := apierrors.NewInvalid(groupKind(content), object, nil)
	status.ErrStatus.Message = faultWords(faults)
	for _, fault := range faults {
		status.ErrStatus.Details.Causes = append(status.ErrStatus.Details.Causes, metav1.StatusCause{
			Type: metav1.CauseTypeFieldValueInvalid, Field: fault.Path, Message: "is " + fault.Is + ", must be " + fault.Must,
		})
	}
	return &ObjectError{Object: object, Secret: secret, Words: faultWords(faults), Cause: status}
}

func faultWords(faults []TypeFault) string {
	texts := make([]string, len(faults))
	for i, fault := range faults {
		texts[i] = fault.String()
	}
	return strings.Join(texts, ", ")
}

// located is a path with items of lists named by their place.
func located(path string, content map[string]any) string {
	var node any = content
	var out strings.Builder
	for path != "" {
		if path[0] == '[' {
			end := strings.IndexByte(path, ']')
			var place string
			place, node = item(path[1:end], node)
			out.WriteString("[" + place + "]")
			path = path[end+1:]
			continue
		}

		path = path[1:] // the dot
		end := strings.IndexAny(path, ".[")
		if end < 0 {
			end = len(path)
		}
		if out.Len() > 0 {
			out.WriteByte('.')
		}

		out.WriteString(path[:end])
		fields, _ := node.(map[string]any)
		node = fields[path[:end]]
		path = path[end:]
	}

	return out.String()
}

// item finds an item of a list by its keys, as server-side apply writes them: name="a", or
// containerPort=80,protocol="TCP".
func item(keys string, node any) (place string, found any) {
	items, _ := node.([]any)
	if n, err := strconv.Atoi(keys); err == nil && n < len(items) && n >= 0 {
		return keys, items[n]
	}

	for n, one := range items {
		if fields, ok := one.(map[string]any); ok && hasKeys(fields, keys) {
			return strconv.Itoa(n), one
		}
	}

	return "…", nil
}

func hasKeys(fields map[string]any, keys string) bool {
	for part := range strings.SplitSeq(keys, ",") {
		name, value, _ := strings.Cut(part, "=")
		text, is := fields[name].(string)
		if is && strconv.Quote(text) != value {
			return false
		}

		if _, there := fields[name]; !is && (there || name == "name") {
			if number, whole := fields[name].(int64); !whole || strconv.FormatInt(number, 10) != value {
				return false
			}
		}
	}
	return true
}

// Types as they are named for people.
const (
	aString, aNumber, aBoolean, anObject, aList = "a string", "a number", "a boolean", "an object", "a list"
)

// schemaType names a type of a schema, in the words of server-side apply.
func schemaType(word string) string {
	return map[string]string{"string": aString, "numeric": aNumber, "boolean": aBoolean, "map": anObject,
		"list": aList}[word]
}

// jsonType names a type of JSON, in the words of the decoder.
func jsonType(word string) string {
	return map[string]string{"string": aString, "number": aNumber, "bool": aBoolean, "object": anObject,
		"array": aList}[word]
}

// goType names the type of JSON that a type of Go is decoded from.
func goType(word string) string {
	word = strings.TrimPrefix(word, "*")
	switch {
	case word == "string":
		return aString
	case word == "bool":
		return aBoolean
	case strings.HasPrefix(word, "[]"):
		return aList
	case strings.HasPrefix(word, "int"), strings.HasPrefix(word, "uint"):
		return "a whole number"
	case strings.HasPrefix(word, "float"):
		return aNumber
	default:
		return anObject
	}
}

// typeOf names the type of a value that server-side apply prints as Go does. Nothing of the value itself is taken
// over.
func typeOf(printed string) string {
	_, value, _ := strings.Cut(printed, "Value:")
	if value == "" {
		value = printed
	}

	switch {
	case strings.HasPrefix(value, `"`):
		return aString
	case strings.HasPrefix(value, "map["):
		return anObject
	case strings.HasPrefix(value, "[]"):
		return aList
	case strings.HasPrefix(value, "true"), strings.HasPrefix(value, "false"):
		return aBoolean
	case strings.HasPrefix(value, "interface {}(nil)"), strings.HasPrefix(value, "nil"), strings.HasPrefix(value,
		"<nil>"):
		return "empty"
	case value != "" && strings.ContainsAny(value[:1], "-0123456789"):
		return aNumber
	default:
		return "of another type"
	}
}

// groupKind is that of an object.
func groupKind(content map[string]any) schema.GroupKind {
	version, _ := content["apiVersion"].(string)
	kind, _ := content["kind"].(string)
	return schema.FromAPIVersionAndKind(version, kind).GroupKind()
}
