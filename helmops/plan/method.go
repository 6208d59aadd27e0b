package plan

import "fairlead.dev/fairlead/api/v1beta1"

// ApplyMethod is how the objects of a revision were written, in the words of Helm's release records. It is empty where
// the record does not say.
type ApplyMethod string

// The methods that Helm 4 records. Helm 3 writes client-side and records nothing.
const (
	// ServerSide is server-side apply.
	ServerSide ApplyMethod = "ssa"
	// ClientSide is a patch that Helm computes of the former manifest, the new manifest and the live object.
	ClientSide ApplyMethod = "csa"
)

// ApplyMethodOf reads a method from a record. A text that is none is read as if it were absent.
func ApplyMethodOf(text string) ApplyMethod {
	switch method := ApplyMethod(text); method {
	case ServerSide, ClientSide:
		return method
	default:
		return ""
	}
}

// MethodFor returns the method of an action. setting is the serverSideApply of the action, empty where it is left out.
// last is the revision that the action continues: the newest one for an upgrade, the target for a rollback, none for an
// install.
//
//	enabled, disabled   as they say
//	auto                as recorded; client-side, as in Helm 4, where another Helm client wrote a record that
//	                    does not say
//	left out            as recorded; server-side where the record does not say
func MethodFor(setting string, last Record) ApplyMethod {
	switch {
	case setting == v1beta1.Enabled:
		return ServerSide
	case setting == v1beta1.Disabled:
		return ClientSide
	case last.ApplyMethod != "":
		return last.ApplyMethod
	case setting == v1beta1.ServerSideApplyAuto && last.Version > 0 && !last.Ours:
		return ClientSide
	default:
		return ServerSide
	}
}
