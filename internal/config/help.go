package config

import "reflect"

// Variable is an environment variable that a subcommand reads.
type Variable struct {
	Name string
	// Default is empty when there is none.
	Default string
	// Help is one line.
	Help string
}

// Variables returns the variables of config, one of the structs of this package, in the
// order of its fields.
func Variables(config any) []Variable {
	var all []Variable
	for _, f := range reflect.VisibleFields(reflect.TypeOf(config)) {
		if name, found := f.Tag.Lookup("env"); found {
			all = append(all, Variable{name, f.Tag.Get("envDefault"), f.Tag.Get("help")})
		}
	}
	return all
}
