package main

func Example() {
	main()
	// Output:
	// Mood(+0.9) → carry on
	// Mood(-0.8) → hand over to a colleague
}
