// A look at the structure of a level-5 .mat file before it is given to a library that trusts it:
// every length inside its element, every array as large as its dimensions say.
#pragma once

#include <string>
#include <string_view>

namespace akimbo::datasets {

// Throws FileError that names `where` and the byte. Compressed variables are unpacked for the look;
// more than 1 GiB in all is refused. Classes other than numbers, texts, cells and structs (sparse
// arrays, objects, functions) and complex numbers are refused too.
void check_mat_bytes(std::string_view bytes, const std::string& where);

}  // namespace akimbo::datasets
