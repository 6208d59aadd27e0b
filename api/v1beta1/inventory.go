package v1beta1

import "strings"

// NewResourceRef names an object in an inventory. Namespace and group may be empty.
func NewResourceRef(namespace, name, group, kind, version string) ResourceRef {
	return ResourceRef{ID: strings.Join([]string{namespace, name, group, kind}, "_"), Version: version}
}

// Split returns the parts of the ID; false when it is none. Only the name may contain an underscore.
func (in ResourceRef) Split() (namespace, name, group, kind string, ok bool) {
	namespace, rest, ok := strings.Cut(in.ID, "_")
	last := strings.LastIndexByte(rest, '_')
	if !ok || last < 0 {
		return "", "", "", "", false
	}
	rest, kind = rest[:last], rest[last+1:]
	last = strings.LastIndexByte(rest, '_')
	if last < 0 {
		return "", "", "", "", false
	}
	return namespace, rest[:last], rest[last+1:], kind, kind != "" && rest[:last] != ""
}
