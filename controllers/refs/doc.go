// Package refs reads what objects refer to: ConfigMaps and Secrets, ServiceAccounts and kubeconfigs, and the objects
// that have to be ready first. Looking again while nothing has changed costs no request.
//
//	spec names ─┬─ ConfigMap, Secret ─► Documents     content, kept until the metadata shows another version
//	            ├─ ServiceAccount, kubeconfig ─► Identities ─► cluster.Access
//	            └─ dependsOn ─► Dependencies ─┬─ own kind: the cache
//	                                          └─ any other: dependency watcher, one watch per object
//
// What is missing or not allowed is an *ObstacleError, in the words of a condition.
package refs
