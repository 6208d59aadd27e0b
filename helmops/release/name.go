package release

import (
	"fmt"

	"helm.sh/helm/v3/pkg/chartutil"

	"fairlead.dev/fairlead/api/v1beta1"
)

// CheckName says why Helm accepts no release of the name that an object asks for; nil when it does. Admission refuses such
// a spec.releaseName; an object can be older than that rule, and the name can come from spec.targetNamespace.
func CheckName(hr *v1beta1.HelmRelease) error {
	name := hr.GetReleaseName()
	if chartutil.ValidateReleaseName(name) == nil {
		return nil
	}
	return fmt.Errorf("%.100q cannot be the name of a Helm release: it has lower-case letters, digits, '-' and '.', begins and "+
		"ends with a letter or a digit, and has at most 53 characters; set another spec.releaseName", name)
}
