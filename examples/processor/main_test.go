package main

func Example() {
	main()
	// Output:
	// My card is ****, thanks.
}
