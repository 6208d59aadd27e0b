package drift

import "strings"

// Overwritten returns what of the differences found a write undoes that makes the given changes. stays reports whether
// the write leaves or makes an object; one that it deletes loses all its differences.
func Overwritten(found, changes []Object, stays func(Object) bool) []Object {
	var out []Object
	for _, object := range found {
		change, changed := ofObject(changes, object)
		switch {
		case !stays(object):
			if !object.Missing {
				out = append(out, object)
			}
		case !changed:
		case object.Missing || object.Note != "" || change.Missing || change.Note != "":
			out = append(out, object)
		default:
			if object.Fields = overwrittenFields(object.Fields, change.Fields); len(object.Fields) > 0 {
				out = append(out, object)
			}
		}
	}

	return out
}

// ofObject finds the changes of an object.
func ofObject(changes []Object, object Object) (Object, bool) {
	for _, change := range changes {
		if change.Kind == object.Kind && change.Group == object.Group && change.Namespace == object.Namespace &&
			change.Name == object.Name {
			return change, true
		}
	}
	return Object{}, false
}

func overwrittenFields(found, changed []Field) []Field {
	var out []Field
	for _, field := range found {
		for _, change := range changed {
			if within(field.Path, change.Path) || within(change.Path, field.Path) {
				out = append(out, field)
				break
			}
		}
	}

	return out
}

// within reports whether a path is the other one or below it.
func within(path, above string) bool {
	rest, is := strings.CutPrefix(path, above)
	return is && (rest == "" || rest[0] == '.' || rest[0] == '[')
}
